//! Docker's two ways of showing signatures, byte for byte.
