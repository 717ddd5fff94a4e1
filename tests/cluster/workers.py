"""Threads that work until a block ends. None fails in silence: what one of them raises ends the
block with it."""

import threading


class Workers:
    """`with` it the threads run. They look at `stopping`; `failure` is what one of them raised, for
    who waits for what they do."""

    def __init__(self):
        self.stopping = threading.Event()
        self.failure = None
        self.threads = []

    def add(self, work, *arguments):
        self.threads.append(threading.Thread(target=self._guard, args=(work, *arguments)))

    def _guard(self, work, *arguments):
        try:
            work(*arguments)
        except BaseException as problem:
            self.failure = problem

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind=None, *unused):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        if kind is None and self.failure:
            raise self.failure
