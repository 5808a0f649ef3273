import { servedClientTests } from '../served-clients.ts';

servedClientTests('deno', 1);
