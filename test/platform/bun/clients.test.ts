import { servedClientTests } from '../served-clients.ts';

servedClientTests('bun', 1);
