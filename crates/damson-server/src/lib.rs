//! damson-server
