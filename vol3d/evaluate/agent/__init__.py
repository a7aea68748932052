"""Agent mode: a chat model that answers questions about a scan by calling tools."""
