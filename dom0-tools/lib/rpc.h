/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rpc.h - messages between vmi and vmid: Varlink, that is a JSON object and a
 * zero byte, over a stream socket.
 *
 * A call is {"method", "parameters", "more", "upgrade"}; an answer {"parameters",
 * "continues"} or {"error", "parameters": {"message", "hint", ...}}. After the
 * answer to an upgraded call (Console) the connection is the console's bytes.
 * dom0-tools/org.vmi.varlink describes the methods.
 */
#ifndef LIB_RPC_H
#define LIB_RPC_H

#include <jansson.h>

#include "util.h"

#define RPC_MAX		(8u << 20)	/* of one message: 4 MiB of XML, quoted */
#define RPC_MAX_READER	(64u << 10)	/* of one from the read-only socket */
#define SOCK_DIR	"/run/vmid"
#define SOCK_NAME	"vmid.sock"
#define SOCK_NAME_RO	"vmid-ro.sock"

/* Errors, and the exit status that a command ends with. */
enum {
	EX_OK = 0,
	EX_FAILED = 1,
	EX_BAD_USAGE = 2,
	EX_NO_OBJECT = 3,
	EX_BAD_CONFIG = 4,
	EX_NO_DAEMON = 5,
	EX_WRONG_STATE = 6,
	EX_TIMED_OUT = 124,
};

const char *rpc_error_name(int status);
int rpc_error_status(const char *name);

/* Bytes that arrived, and how many of them are known to hold no end. */
struct rpc_in {
	struct strbuf buf;
	size_t scanned, max;
};

/* The next whole message, taken out of in; NULL: *why is NULL when it is not here yet, else what is wrong. */
json_t *rpc_next(struct rpc_in *in, const char **why);
void rpc_put(struct strbuf *out, const json_t *msg);

/* The caller's side: blocking. */
struct client;

struct client_error {
	int status;			/* EX_* */
	char *message, *hint;		/* free with client_error_free */
	json_t *messages;		/* of a configuration, or NULL */
};

/* uri: NULL (VMI_CONNECT or the default), "vmi:///system", "unix:/path" or a folder with the two sockets. */
struct client *client_open(const char *uri, bool read_only, struct client_error *e);
void client_close(struct client *c);
/* Takes params; gives the answer's parameters, or NULL. */
json_t *client_call(struct client *c, const char *method, json_t *params, struct client_error *e);
/* For several answers: send once, then next until *more is false. timeout_ms -1: for ever. */
bool client_send(struct client *c, const char *method, json_t *params, const char *flag, struct client_error *e);
json_t *client_next(struct client *c, int timeout_ms, bool *more, struct client_error *e);
/* The socket of an upgraded connection; what came with the answer is in *rest. */
int client_fd(struct client *c, struct strbuf **rest);
const char *client_path(const struct client *c);
void client_error_free(struct client_error *e);

#endif
