//! damson
