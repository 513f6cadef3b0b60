"""What the embedded AWS gets wrong on purpose, as rules that are set over HTTP. See docs/chaos.md."""
