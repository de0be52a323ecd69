//! Which environment variables change what a tool does.
