//! damson-store
