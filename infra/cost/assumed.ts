/** What a template does not say. Taken rather higher than it is; printed with each item that rests on it. */
export const ASSUMED = {
  hoursPerMonth: 730,
  /** A function that is called by the clock and finds nothing to do. */
  secondsPerInvocation: 0.5,
  logKiBPerInvocation: 2,
  readUnitsPerInvocation: 4,
  /** The trainer's image with PyTorch and CUDA, compressed; the deployed one and the one before. */
  imageGiB: 4,
  images: 2,
  /** Some thousands of runs. */
  tableGiB: 0.1,
  /** The bundles and templates of some deployments. What a team keeps of data and models comes on top. */
  bucketGiB: 1,
  /** Of an image of machines: what its blocks hold, not the disk's size. */
  machineImageGiB: 30,
  machineImages: 4,
  buildsPerMonth: 730 / (7 * 24),
  /** The build, and its test on a machine of its own. */
  hoursPerBuild: 2,
} as const
