// SPDX-License-Identifier: GPL-2.0-only
/*
 * agent.c - the lab's half inside the machine: runs one command and sends
 * what it writes, and how it ended, over the second serial port.
 *
 * The port carries a greeting, then frames: 'O', a 16-bit length (little
 * endian) and that many bytes of output; at the end one frame 'X', exit status,
 * signal (0 if it exited by itself) and the 64-bit count of output bytes, so
 * that the other side (tests/lib/machine.py) notices lost bytes. Output may be
 * binary and need not end in a newline: nothing on the way may change a byte,
 * so the port is raw.
 *
 * /lab/argv holds the arguments, each ended by a NUL; /lab/port the port.
 * Output of processes that outlive the command is not waited for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define GREETING "\nVMI-LAB-1\n"

static int port;
static uint64_t sent;

static void die(const char *what)
{
	fprintf(stderr, "lab-agent: %s: %s\n", what, strerror(errno));
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void put(const void *buf, size_t n)
{
	const char *p = buf;

	while (n) {
		ssize_t k = write(port, p, n);

		if (k < 0 && errno != EINTR)
			die("write to the port");
		if (k > 0) {
			p += k;
			n -= k;
		}
	}
}

static char *slurp(const char *path, size_t *len)
{
	char *buf = NULL;
	size_t n = 0;
	ssize_t k;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die(path);
	do {
		buf = realloc(buf, n + 4097);
		if (!buf)
			die(path);
		k = read(fd, buf + n, 4096);
		if (k < 0)
			die(path);
		n += k;
	} while (k);
	close(fd);
	buf[n] = 0;
	*len = n;
	return buf;
}

static char **arguments(void)
{
	size_t len, i, nr = 0;
	char *buf = slurp("/lab/argv", &len);
	char **argv = calloc(len + 1, sizeof(*argv));

	if (!argv || !len)
		die("/lab/argv");
	for (i = 0; i < len; i += strlen(buf + i) + 1)
		argv[nr++] = buf + i;
	return argv;
}

static void open_port(void)
{
	struct termios t;
	size_t len;
	char *path = slurp("/lab/port", &len);

	port = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (port < 0)
		die(path);
	if (tcgetattr(port, &t))
		die("tcgetattr");
	cfmakeraw(&t);
	t.c_cflag |= CLOCAL | CREAD;
	cfsetspeed(&t, B115200);
	if (tcsetattr(port, TCSANOW, &t))
		die("tcsetattr");
}

static pid_t start(char **argv, int out)
{
	pid_t pid = fork();
	int in, err;

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	setsid();
	in = open("/dev/null", O_RDONLY);
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	if (in > 2)
		close(in);
	execvp(argv[0], argv);
	err = errno;
	fprintf(stderr, "lab: %s: %s\n", argv[0], strerror(err));
	_exit(err == ENOENT ? 127 : 126);
}

/* Pass on one read; false when there is nothing (more). */
static int pump(int fd)
{
	static unsigned char buf[3 + 16384];
	ssize_t k = read(fd, buf + 3, sizeof(buf) - 3);

	if (k <= 0)
		return 0;
	buf[0] = 'O';
	buf[1] = k & 0xff;
	buf[2] = k >> 8;
	put(buf, 3 + k);
	sent += k;
	return 1;
}

int main(void)
{
	unsigned char end[11] = "X";
	struct pollfd fds[2];
	char **argv = arguments();
	int pipefd[2], status, i;
	pid_t pid;

	open_port();
	put(GREETING, strlen(GREETING));
	if (pipe2(pipefd, O_CLOEXEC))
		die("pipe");
	pid = start(argv, pipefd[1]);
	close(pipefd[1]);

	fds[0] = (struct pollfd){ .fd = pipefd[0], .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	if (fds[1].fd < 0)
		die("pidfd_open");
	while (!fds[1].revents) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if ((fds[0].revents & (POLLIN | POLLHUP)) && !pump(pipefd[0]))
			fds[0].fd = -1;	/* the command closed its output, and runs on */
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	fcntl(pipefd[0], F_SETFL, O_NONBLOCK);
	while (pump(pipefd[0]))
		;

	end[1] = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	end[2] = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	for (i = 0; i < 8; i++)
		end[3 + i] = sent >> (8 * i);
	put(end, sizeof(end));
	tcdrain(port);
	sync();
	reboot(RB_POWER_OFF);
	return 0;
}
