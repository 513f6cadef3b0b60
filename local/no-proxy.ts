const THIS_MACHINE = '127.0.0.1'

/** The variables by which no proxy is asked for the embedded AWS: not by the CDK, nor by fetch with NODE_USE_ENV_PROXY. */
export function noProxy({ no_proxy, NO_PROXY }: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const others = (no_proxy || NO_PROXY || '').split(/[,\s]+/).filter((host) => host && host !== THIS_MACHINE)
  const hosts = [...others, THIS_MACHINE].join(',')
  return { NO_PROXY: hosts, no_proxy: hosts }
}
