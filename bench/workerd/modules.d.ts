// What a bundler and the runtime bring: WebAssembly as compiled modules, and workerd's hooks for tests.

declare module '*.wasm' {
  const module: WebAssembly.Module;

  export { module as default };
}

declare module 'workerd:unsafe' {
  const unsafe: {
    /** Takes an idle object out of memory as the runtime does; waits until it is idle. */
    evict(stub: object, options?: { readonly webSockets?: 'hibernate' | 'close' }): Promise<void>;
  };

  export { unsafe as default };
}
