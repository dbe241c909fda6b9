//! Everything above against what docker and notary wrote.
