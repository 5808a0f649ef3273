// Who is alive, by Web Locks: somebody who lives holds a lock of their own, and whoever is given that lock knows that they
// do not any more. The browser lets go of it for them, however they end.

/** Holds the lock until the signal is aborted or this place ends. Resolves when it is held. */
export function live(name: string, ended: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(name, () => {
        resolve();
        return whenAborted(ended);
      })
      .catch(reject);
  });
}

/** Calls back once when whoever holds the lock has ended. `signal` stops the watch. */
export function whenEnded(name: string, signal: AbortSignal, callback: () => void): void {
  navigator.locks
    .request(name, { signal }, () => callback())
    .catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
}

/** Whether this place has Web Locks: contexts that are not secure have none. */
export function hasLocks(): boolean {
  return typeof navigator.locks?.request === 'function';
}

export function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
