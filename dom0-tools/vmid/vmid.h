/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmid.h - the daemon's own interfaces: loop.c, log.c, store.c, domain.c,
 * console.c, conn.c and the methods.
 *
 * One thread; every call that a client makes runs to its end before the next
 * one (but for networks.c's, which wait for a program), so there are no locks. What must survive a kill is in files before it
 * is in the hypervisor (store.c).
 */
#ifndef VMID_H
#define VMID_H

#include <sys/types.h>

#include "../lib/config.h"
#include "../devices/devices.h"
#include "../lib/hv.h"
#include "../lib/rpc.h"
#include "../lib/state.h"

struct settings {
	const char *run_dir, *state_dir, *log_dir;
	const char *group;		/* who may use the full socket */
	unsigned int patience;		/* with back ends: see devices.h */
	uint64_t log_max;		/* bytes of a log before it is rotated */
	const struct hv_ops *ops;
	struct hv *hv;
};

extern struct settings vmid;

/* Why a request failed; hint: a constant. */
struct failure {
	int status;			/* EX_* */
	char message[400];
	const char *hint;
};

__attribute__((format(printf, 4, 5)))
int fail(struct failure *f, int status, const char *hint, const char *fmt, ...);

/* ---- loop.c: descriptors and timers ---- */
struct source;
typedef void (*loop_fn)(void *arg, uint32_t events);

struct source *loop_add(int fd, uint32_t events, loop_fn fn, void *arg);	/* events: EPOLL* */
void loop_set(struct source *s, uint32_t events);
void loop_del(struct source *s);		/* NULL is nothing; the descriptor stays open */
struct source *loop_timer(uint64_t ns, loop_fn fn, void *arg);	/* once; calls fn, then delete it */
int loop_run(void);
void loop_stop(int status);

/* ---- log.c ---- */
enum { LOG_ERROR = 3, LOG_WARN = 4, LOG_SAY = 6 };
__attribute__((format(printf, 2, 3))) void say(int level, const char *fmt, ...);
/* A file that moves to FILE.1, FILE.2 when it grows over vmid.log_max. */
struct logfile {
	int fd;
	uint64_t size;
	char *path;
};
void logfile_open(struct logfile *l, const char *name, const char *suffix);
void logfile_add(struct logfile *l, const void *data, size_t len);
void logfile_close(struct logfile *l);
/* The last bytes of a log, whole lines; NULL: there is none. */
char *logfile_tail(const char *name, const char *suffix, size_t max);

/* ---- store.c: what survives ---- */
#define UNIT_XML	"xml"		/* in state_dir: a definition */
#define UNIT_AUTO	"autostart"	/* in state_dir: a mark */
#define UNIT_NETWORK	"network"	/* in state_dir: a network's definition; in run_dir: as it was started */
#define UNIT_NETAUTO	"network-autostart"	/* in state_dir: a mark */
#define UNIT_LIVE	"live"		/* in run_dir: a domain that exists, as JSON */

/* Puts all of text into DIR/UUID.SUFFIX or leaves the old one; sync: also when the machine dies. */
int store_put(const char *dir, const uint8_t uuid[16], const char *suffix, const char *text, bool sync, struct failure *f);
int store_del(const char *dir, const uint8_t uuid[16], const char *suffix, bool sync, struct failure *f);
char *store_get(const char *dir, const uint8_t uuid[16], const char *suffix);
/* Calls fn for each file of this kind; removes half-written ones. */
void store_each(const char *dir, const char *suffix, void (*fn)(const uint8_t uuid[16], const char *text, size_t len));
int make_dir(const char *path, mode_t mode);

/* ---- domain.c: all domains and their lives ---- */
struct conn;

struct domain {
	struct domain *next;
	struct dom_config *def;		/* persistent; NULL: transient */
	struct dom_config *live;	/* as it was started; NULL: shut off */
	uint32_t domid;			/* 0: shut off */
	bool autostart, asked, asked_reboot;
	enum dom_state state;		/* of the last look */
	const char *reason;		/* of the state, in virsh's words */
	unsigned int restarts;		/* by its policy, since first_restart */
	uint64_t first_restart, ended_at;
	struct console *console;
	struct devices *devices;	/* NULL: shut off, or lost */
	struct source *devices_src;
	struct conn *resizer;		/* waits for a disk to be made larger; NULL: nobody, or not any more */
	char resized[16];		/* that one */
	struct logfile log;
};

extern struct domain *domains;

const struct dom_config *dom_config(const struct domain *d);	/* live, else def */
const char *dom_name(const struct domain *d);
struct domain *dom_find(const char *ref);		/* id, uuid or name */
struct domain *dom_by_uuid(const uint8_t uuid[16]);
struct domain *dom_by_name(const char *name);
/* Looks at the hypervisor; info, if not NULL, is valid when the domain exists. */
enum dom_state dom_look(struct domain *d, struct hv_info *info);
/* Acts on what happened to it since; d may be gone then. */
void dom_check(struct domain *d);
enum dom_state dom_seen(struct domain *d, const struct hv_info *info);

int dom_define(struct dom_config *c, struct domain **out, struct failure *f);	/* takes c */
int dom_undefine(struct domain *d, struct failure *f);
int dom_create(struct dom_config *c, bool paused, struct domain **out, struct failure *f);	/* takes c */
int dom_start(struct domain *d, bool paused, struct failure *f);
int dom_stop(struct domain *d, enum hv_request what, struct failure *f);
int dom_destroy(struct domain *d, struct failure *f);
int dom_reset(struct domain *d, struct failure *f);
int dom_suspend(struct domain *d, struct failure *f);
int dom_resume(struct domain *d, struct failure *f);
int dom_autostart(struct domain *d, bool on, struct failure *f);
int dom_rename(struct domain *d, const char *name, struct failure *f);
/* Writes a changed def or live config; the change is undone by the caller if it fails. */
int dom_save_def(struct domain *d, const struct dom_config *c, struct failure *f);
void dom_save_live(struct domain *d, const char *stage);
int dom_need(struct domain *d, enum dom_verb v, struct failure *f);
uint64_t dom_built_memory(const struct dom_config *c);	/* what the hypervisor is asked for */
void dom_hv_events(void *arg, uint32_t events);

/* ---- recover.c, and what only it needs of domain.c ---- */
#define MAX_DOMAINS	256

void dom_load(void);
void dom_start_marked(void);		/* those with autostart */
struct domain *dom_add(void);		/* with neither definition nor life: the caller gives it one */
/* Makes d->live exist; stage: see recover.c. On failure nothing of it is left but d->live. */
int dom_build(struct domain *d, bool paused, const char *stage, struct failure *f);
/* It exists no more: shut off, or forgotten. */
void dom_gone(struct domain *d, const char *reason, const char *detail);
/* The hypervisor says that it ended: what its configuration wants then. */
void dom_ended(struct domain *d, enum hv_reason why);
/* A line in the domain's own log. */
__attribute__((format(printf, 2, 3))) void dom_note(struct domain *d, const char *fmt, ...);

/* ---- devices.c ---- */
/* What c's devices lack on this machine, as warnings; lines: c's lines are the file's. */
void dev_warn(const struct dom_config *c, bool lines, struct diag *d);
/* The same of a device that config_with_device() put there, and notes; NULL: nothing to say. */
json_t *dev_warn_last(const struct dom_config *c);
/* 0: they can be attached. Else *f, and all problems in *messages (if not NULL) when there are several. */
int dev_check(const struct dom_config *c, json_t **messages, struct failure *f);
/* All of d->live's, before the guest runs: all or none. */
int dev_open(struct domain *d, struct failure *f);
void dev_resume(struct domain *d);
void dev_close(struct domain *d);		/* before the hypervisor is asked to end the domain */
/* In a method: the answer comes when that disk has its new size, or will not get it. */
void dev_resize_later(struct domain *d, const char *name, struct conn *c);
void dev_forget(const struct conn *c);	/* it waits for nothing any more */
int dev_attach_live(struct domain *d, const xmlNode *dev, json_t **messages, struct failure *f);
/* dev: of d->live, gone perhaps when this returns; the guest has so many seconds to let go. */
int dev_detach_live(struct domain *d, const xmlNode *dev, unsigned int seconds, struct failure *f);
/* False: it is not attached, says *f. */
bool dev_name_of(const xmlNode *dev, struct domain *d, char name[DEVICE_NAME_LEN], struct failure *f);
/* The name of the interface whose tap this is. */
bool dev_of_tap(const struct domain *d, const char *tap, char name[DEVICE_NAME_LEN]);
json_t *dev_json(const struct domain *d, bool inactive);	/* inactive: of the definition */
bool dev_held(const struct domain *d);		/* a disk of it holds requests after an error */
bool dev_balloon(const struct domain *d);
uint64_t dev_ballooned(const struct domain *d);		/* bytes that its balloon has taken */
/* d's errors as a failure: one as its text, several in *messages. */
int diag_fail(const struct diag *d, json_t **messages, struct failure *f);

/* ---- networks.c ---- */
struct network;
void net_load(bool autostart);		/* before dom_load() */
void net_then(void (*fn)(void));	/* when what is under way is done: once */
void net_forget(const struct conn *c);	/* it waits for nothing any more */
/* Of this device and those after it: the bridge of each interface of a network, into its <source>; an error in d for each whose network is not active. */
void net_resolve(xmlNode *first, struct diag *d);

/* ---- console.c ---- */
void console_open(struct domain *d);
void console_close(struct domain *d, const char *last_words);
int console_attach(struct domain *d, struct conn *c, bool force, bool replay, struct failure *f);
void console_detach(struct domain *d, struct conn *c);
void console_type(struct domain *d, struct conn *c, const char *data, size_t len);

/* ---- conn.c: clients ---- */
struct conn {
	struct conn *next;
	int fd;
	struct source *src;
	struct rpc_in in;
	struct strbuf out;
	bool reader;			/* came through the read-only socket */
	bool closing;			/* when out is empty */
	bool events;			/* wants events */
	bool waiting, oneway;		/* for a late answer; wants none */
	struct domain *console;		/* is raw bytes of this one's console */
	uid_t uid;
	pid_t pid;
};

void conn_listen(int fd, bool reader);
void conn_send(struct conn *c, const void *data, size_t len);
void conn_json(struct conn *c, json_t *msg);	/* takes msg */
void conn_end(struct conn *c);			/* after what is still to be sent */
/* In a method, which then returns 0 and no reply: the answer comes later, and the next call after it. */
void conn_later(struct conn *c);
void conn_late_answer(struct conn *c, int rc, json_t *reply, const struct failure *f);	/* takes reply */
void event(const struct domain *d, const char *what, const char *detail);

/* ---- methods*.c ---- */
struct method {
	const char *name;		/* after org.vmi. */
	int (*run)(struct conn *c, json_t *params, json_t **reply, struct failure *f);
	bool reader;			/* allowed on the read-only socket */
};
extern const struct method methods_look[], methods_change[], methods_devices[], methods_networks[];
json_t *describe(const char *interface);
int find_domain(json_t *params, struct domain **d, struct failure *f);
json_t *dom_json(struct domain *d, const struct hv_info *info);
/* "domain", "live", "config" of the parameters: what is to be changed, and may be. */
int change_where(json_t *params, struct domain **d, bool *live, bool *config, struct failure *f);

#endif
