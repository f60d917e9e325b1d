//! damson-crdt
