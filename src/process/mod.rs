//! Processes: starting them, finding all that came of them, ending them, and proving that nothing is left.
//!
//! Knows Linux. Knows nothing of the ensemble, and decides nothing.

pub mod cgroup;
pub mod hunt;
pub mod posture;
pub mod spawn;
pub mod sweep;
pub mod tree;
pub mod wire;
