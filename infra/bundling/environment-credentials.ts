import { fromEnv } from '@aws-sdk/credential-providers'

/** In the place of `@aws-sdk/credential-provider-node` in the layer: the one provider that a function needs. */
export const defaultProvider = fromEnv
