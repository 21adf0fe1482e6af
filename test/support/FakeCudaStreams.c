/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Streams, events and graphs of the fake driver. Work is done when it is
 * enqueued, or when the graph that it was captured into is launched; with
 * FAKE_CUDA_LAZY=1 no sooner than somebody waits for it, and then nothing but
 * what that needs: work that no event orders comes too late, or too early. With
 * FAKE_CUDA_LAZY=2 the work of all streams is mixed then. */
#include "test/support/FakeCudaCalls.h"

#include <stdlib.h>
#include <string.h>

struct stream {
  int capturing;
  struct work *first, **last; /* captured */
  struct work *kept, **kept_last;
  size_t enqueued, done;
  struct stream *next; /* of all, the youngest first */
};

struct event {
  struct stream *on; /* NULL: never recorded */
  size_t number;
};

static struct stream *streams;
static int failed; /* of work that was kept */

static struct stream *make(void) {
  struct stream *stream = calloc(1, sizeof *stream);
  stream->last = &stream->first;
  stream->kept_last = &stream->kept;
  stream->next = streams;
  streams = stream;
  return stream;
}

/* The default stream has an object too. */
static struct stream *of(void *on) {
  static struct stream *standard;
  if (!on && !standard)
    standard = make();
  return on ? on : standard;
}

static void append(struct work ***last, const struct work *w) {
  struct work *kept = malloc(sizeof *kept);
  *kept = *w;
  kept->next = NULL;
  **last = kept;
  *last = &kept->next;
}

static void run(struct stream *stream, size_t number);

/* Does the next work of a stream. */
static void step(struct stream *stream) {
  struct work *w = stream->kept;
  stream->kept = w->next;
  if (!stream->kept)
    stream->kept_last = &stream->kept;
  ++stream->done;
  int result = 0;
  if (w->kind == FAKE_WAIT)
    run(w->before, w->number);
  else
    result = fake_perform(w);
  failed = failed ? failed : result;
  free(w->held);
  free(w);
}

/* Does the first `number` works of a stream; with FAKE_CUDA_LAZY=2 one of each
 * other stream between them. */
static void run(struct stream *stream, size_t number) {
  static int nested;
  while (stream->done < number) {
    if (!nested++ && fake_number("FAKE_CUDA_LAZY", 0) > 1)
      for (struct stream *s = streams; s; s = s->next)
        if (s != stream && s->done < s->enqueued)
          step(s);
    if (stream->done < number) /* another stream may have waited for this one */
      step(stream);
    --nested;
  }
}

int fake_finish(void) {
  for (struct stream *s = streams; s; s = s->next)
    run(s, s->enqueued);
  int result = failed;
  failed = 0;
  return result;
}

static int finish(struct stream *stream) {
  run(stream, stream->enqueued);
  int result = failed;
  failed = 0;
  return result;
}

int fake_enqueue(void *on, const struct work *w) {
  struct stream *stream = of(on);
  int copies = w->kind == FAKE_COPY;
  int host_reads = copies && !fake_lies(w->to, w->bytes, 0);
  if (stream->capturing) {
    if (copies && !fake_lies(w->from, w->bytes, 0))
      return 900; /* of memory that may have changed by then */
    if (host_reads && !fake_lies(w->to, w->bytes, 1))
      return 900;
    append(&stream->last, w);
    return 0;
  }
  if (!fake_number("FAKE_CUDA_LAZY", 0))
    return w->kind == FAKE_WAIT ? 0 : fake_perform(w);
  struct work mine = *w;
  /* Pageable memory is staged before the call returns, pinned memory is not. */
  if (copies && !fake_lies(w->from, w->bytes, 0) &&
      !fake_lies(w->from, w->bytes, 1)) {
    mine.held = malloc(w->bytes);
    memcpy(mine.held, w->from, w->bytes);
    mine.from = mine.held;
  }
  append(&stream->kept_last, &mine);
  ++stream->enqueued;
  /* A copy to pageable memory waits. */
  return host_reads && !fake_lies(w->to, w->bytes, 1) ? finish(stream) : 0;
}

int cuCtxSynchronize(void) {
  CALL("cuCtxSynchronize");
  return fake_finish();
}
int cuStreamCreate(void **out, unsigned flags) {
  (void)flags;
  CALL("cuStreamCreate");
  *out = make();
  return 0;
}
int cuStreamDestroy_v2(void *on) {
  CALL("cuStreamDestroy_v2");
  return finish(of(on)); /* events may still name it: it stays */
}
int cuStreamSynchronize(void *on) {
  CALL("cuStreamSynchronize");
  return of(on)->capturing ? 900 : finish(of(on));
}
int cuStreamWaitEvent(void *on, void *event, unsigned flags) {
  (void)flags;
  CALL("cuStreamWaitEvent");
  const struct event *e = event;
  if (!e)
    return 400;
  if (of(on)->capturing)
    return 900; /* the event is of no work in the capture */
  struct work w = {.kind = FAKE_WAIT, .before = e->on, .number = e->number};
  return e->on ? fake_enqueue(on, &w) : 0;
}
int cuEventCreate(void **out, unsigned flags) {
  (void)flags;
  CALL("cuEventCreate");
  *out = calloc(1, sizeof(struct event));
  return 0;
}
int cuEventDestroy_v2(void *event) {
  CALL("cuEventDestroy_v2");
  free(event);
  return 0;
}
int cuEventRecord(void *event, void *on) {
  CALL("cuEventRecord");
  struct event *e = event;
  if (!e)
    return 400;
  if (of(on)->capturing)
    return 900;
  *e = (struct event){of(on), of(on)->enqueued};
  return 0;
}
int cuEventSynchronize(void *event) {
  CALL("cuEventSynchronize");
  struct event *e = event;
  if (e && e->on)
    run(e->on, e->number);
  int result = failed;
  failed = 0;
  return e ? result : 400;
}

int cuStreamBeginCapture_v2(void *on, int mode) {
  (void)mode;
  CALL("cuStreamBeginCapture_v2");
  struct stream *stream = on;
  if (!stream || stream->capturing)
    return 900;
  stream->capturing = 1;
  return 0;
}
int cuStreamEndCapture(void *on, void **out) {
  struct stream *stream = on;
  stream->capturing = 0;
  *out = stream->first;
  stream->first = NULL;
  stream->last = &stream->first;
  CALL("cuStreamEndCapture");
  return 0;
}
int cuGraphInstantiateWithFlags(void **out, void *graph,
                                unsigned long long flags) {
  (void)flags;
  CALL("cuGraphInstantiateWithFlags");
  struct work *copy = NULL, **last = &copy;
  for (struct work *w = graph; w; w = w->next) {
    *last = malloc(sizeof *w);
    **last = *w;
    (*last)->next = NULL;
    last = &(*last)->next;
  }
  *out = copy;
  return 0;
}
int cuGraphLaunch(void *graph, void *stream) {
  CALL("cuGraphLaunch");
  for (struct work *w = graph; w; w = w->next) {
    int result = fake_enqueue(stream, w);
    if (result)
      return result;
  }
  return 0;
}
static int release(struct work *w) {
  while (w) {
    struct work *next = w->next;
    free(w);
    w = next;
  }
  return 0;
}
int cuGraphDestroy(void *graph) { return release(graph); }
int cuGraphExecDestroy(void *graph) { return release(graph); }
