// What a store over node:fs does beside the calling thread: in the pool of libuv. Handles are opened and closed here and
// now, because that is cheaper than crossing to the pool for it.

import { closeSync, constants, fdatasync, fsync, ftruncate, openSync, unlink } from 'node:fs';
import type { StoreAside } from '../../core/platform.ts';

export interface NodeStoreAsideOptions {
  readonly resolve: (path: string) => string;
  /** The fault that belongs to an error of the system. */
  readonly fault: (operation: string, path: string, error: unknown) => unknown;
}

type Done = (error: NodeJS.ErrnoException | null) => void;

export class NodeStoreAside implements StoreAside {
  readonly #resolve: (path: string) => string;
  readonly #fault: NodeStoreAsideOptions['fault'];

  constructor({ resolve, fault }: NodeStoreAsideOptions) {
    this.#resolve = resolve;
    this.#fault = fault;
  }

  flushDirectory(path: string): Promise<void> {
    return this.#run('flush directory', path, (absolute, done) => {
      const descriptor = openSync(absolute, 'r');
      fsync(descriptor, (error) => {
        closeSync(descriptor);
        done(error);
      });
    });
  }

  remove(path: string): Promise<void> {
    return this.#run('remove', path, (absolute, done) =>
      unlink(absolute, (error) => done(error?.code === 'ENOENT' ? null : error)),
    );
  }

  empty(path: string): Promise<void> {
    return this.#run('empty', path, (absolute, done) => {
      const descriptor = openSync(absolute, constants.O_WRONLY);
      const end: Done = (error) => {
        closeSync(descriptor);
        done(error);
      };
      ftruncate(descriptor, 0, (error) => (error === null ? fdatasync(descriptor, end) : end(error)));
    });
  }

  #run(operation: string, path: string, action: (absolute: string, done: Done) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const refuse = (error: unknown) => reject(this.#fault(operation, path, error));
      try {
        action(this.#resolve(path), (error) => (error === null ? resolve() : refuse(error)));
      } catch (error) {
        refuse(error);
      }
    });
  }
}
