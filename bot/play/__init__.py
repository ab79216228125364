"""Games with texts: real or model?, and the texts that people liked best."""
