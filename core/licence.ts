/**
 * What a licence permits, by SPDX identifier. A model inherits the strictest of its base model's and its data's.
 * Source: the licences' own texts; `CC-BY-NC-*` and the research licences forbid commercial use.
 */
const NON_COMMERCIAL = /^(CC-BY-NC(-SA|-ND)?-\d|LicenseRef-.*(non-?commercial|research))/i
const SHARE_ALIKE = /^CC-BY(-NC)?-SA-\d/i

export interface LicenceVerdict {
  readonly commercialUse: boolean
  readonly shareAlike: boolean
  /** The licences this follows from, each with where it came from. */
  readonly because: readonly string[]
}

/** What may be done with a model trained from these. */
export function inheritedLicence(
  sources: readonly { readonly of: string; readonly spdx: string }[],
): LicenceVerdict {
  return {
    commercialUse: !sources.some(({ spdx }) => NON_COMMERCIAL.test(spdx)),
    shareAlike: sources.some(({ spdx }) => SHARE_ALIKE.test(spdx)),
    because: sources.map(({ of, spdx }) => `${of}: ${spdx}`),
  }
}
