// SPDX-License-Identifier: GPL-2.0-only
/* threads.c - mutexes, conditions, thread-local storage, barriers and cancellation. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS 8
#define ROUNDS 2000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static __thread long mine;
static long total, turn, order[THREADS];

static void *main_of(void *arg)
{
	long me = (long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		mine += me;
		pthread_mutex_lock(&lock);
		total += me;
		pthread_mutex_unlock(&lock);
	}
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(&lock);
	while (turn != me)
		pthread_cond_wait(&turn_changed, &lock);
	order[turn++] = mine;
	pthread_cond_broadcast(&turn_changed);
	pthread_mutex_unlock(&lock);
	return (void *)(mine * 2);
}

static void *forever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int main(void)
{
	pthread_t t[THREADS], f;
	void *result;

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, main_of, (void *)i);
	for (long i = 0; i < THREADS; i++) {
		pthread_join(t[i], &result);
		printf("thread %ld: %ld, in order %ld\n", i, (long)result, order[i]);
	}
	printf("total %ld, mine %ld\n", total, mine);
	pthread_create(&f, NULL, forever, NULL);
	pthread_cancel(f);
	pthread_join(f, &result);
	printf("cancelled %d\n", result == PTHREAD_CANCELED);
	return 0;
}
