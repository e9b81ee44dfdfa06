//! Layer 0: what every other module may use and what knows nothing of warehouses.
//!
//! The only users of the file system, the process environment, the clock and randomness are here, so that
//! everything above is a function of its arguments.

pub mod clock;
pub mod codes;
pub mod diagnostic;
pub mod env;
pub mod fs;
pub mod ident;
pub mod limits;
pub mod secret;
pub mod source;
pub mod strictness;
pub mod units;
