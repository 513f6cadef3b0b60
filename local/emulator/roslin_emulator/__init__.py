"""The embedded AWS: the MiniStack emulator, with AWS Batch jobs as local processes."""

# The plug-in reaches into private parts of MiniStack, so it runs with this version only.
MINISTACK_VERSION = "1.5.33"
