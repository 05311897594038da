//! Databases on shared servers.
