"""An exported model behind a web page and an HTTP API; nothing here loads PyTorch."""
