"""The paths that clients of models call: /v1, /v1beta and Ollama's own."""
