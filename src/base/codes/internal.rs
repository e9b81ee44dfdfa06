//! Bugs of karat.

use super::{Code, Stage};

pub(super) const CODES: &[Code] = &[Code {
    name: "internal-error",
    stage: Stage::Internal,
    exits: &[1, 101],
    title: "a bug in karat or its engine",
    cause: "Something happened that karat's authors held to be impossible. The node that met it failed alone, or \
            the command ended; what was published is whole.",
    fix: "Please report it with the end of `karat.log` and, if you can, the model.",
    example: None,
}];
