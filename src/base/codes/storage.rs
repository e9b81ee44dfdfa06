//! The warehouse and the disk: what fails although the project is right.

use super::{Code, Stage};

pub(super) const CODES: &[Code] = &[
    Code {
        name: "damaged-file",
        stage: Stage::Storage,
        exits: &[3],
        title: "a data file is damaged",
        cause: "A Parquet file that a query read does not hold what its format demands. karat never changes a file \
            after writing it, so it was changed or cut off by something else.",
        fix: "Restore the file from a copy, or rebuild the model that owns it with `--full-refresh`.",
        example: None,
    },
    Code {
        name: "damaged-results",
        stage: Stage::Storage,
        exits: &[0],
        title: "the file of earlier results is damaged",
        cause: "`target/results/<environment>.json` keeps the newest result of each node for the documentation. It \
            does not hold what karat writes there, so earlier results are not known.",
        fix: "Nothing needs to be done: the next run begins the file anew.",
        example: None,
    },
    Code {
        name: "damaged-warehouse",
        stage: Stage::Storage,
        exits: &[3],
        title: "the warehouse is damaged",
        cause: "A log or data file of the warehouse cannot be understood, or is missing although the environment's \
            log says that it was published.",
        fix: "Restore the file that is named from a copy. A table that can be made again: move its folder away and \
            run `karat build --full-refresh --select name+`.",
        example: None,
    },
    Code {
        name: "environment-locked",
        stage: Stage::Storage,
        exits: &[3],
        title: "another run is at work",
        cause: "The advisory lock of the environment is held by the process that is named, and did not become free \
            in time.",
        fix: "Wait for it to end, allow a longer wait with `--lock-timeout 10m`, or use another target. The lock of \
            a process that no longer exists is taken over.",
        example: None,
    },
    Code {
        name: "execution-failed",
        stage: Stage::Storage,
        exits: &[1, 3],
        title: "rows could not be written",
        cause: "The rows of a table could not be computed or encoded while they were written.",
        fix: "Look at the message; run again with `--debug` for more in `karat.log`.",
        example: None,
    },
    Code {
        name: "failpoint",
        stage: Stage::Storage,
        exits: &[3],
        title: "stopped on request",
        cause: "The environment variable `KARAT_FAILPOINT` asked for a failure at this step. It is for karat's own \
            tests.",
        fix: "Unset the variable.",
        example: None,
    },
    Code {
        name: "foreign-commit",
        stage: Stage::Storage,
        exits: &[0],
        title: "a table has a commit that karat did not make",
        cause: "Another program wrote to a table of the warehouse. karat goes on reading the version that it \
            published, and refuses to publish over the other one.",
        fix: "Undo the commit with the program that made it, or read the table as a source.",
        example: None,
    },
    Code {
        name: "foreign-table",
        stage: Stage::Storage,
        exits: &[3],
        title: "a table is not karat's to write",
        cause: "The table has commits of another program, was replaced, or belongs to another environment. karat \
            does not overwrite the work of others.",
        fix: "Undo the foreign commit, move the folder away, or give each environment a warehouse or schemas of its \
            own.",
        example: None,
    },
    Code {
        name: "invalid-warehouse",
        stage: Stage::Storage,
        exits: &[2, 3],
        title: "the warehouse's place cannot be used",
        cause: "The `path` of the target is neither a folder nor a URL of a store that karat knows, or is a file.",
        fix: "Correct `path` in `profiles.yml`.",
        example: None,
    },
    Code {
        name: "newer-warehouse",
        stage: Stage::Storage,
        exits: &[3],
        title: "the warehouse was written by a newer karat",
        cause: "A file of the warehouse has a format that this version does not know.",
        fix: "Use the newer version for this warehouse.",
        example: None,
    },
    Code {
        name: "permission-denied",
        stage: Stage::Storage,
        exits: &[3],
        title: "the system refuses access",
        cause: "The user that runs karat may not read or write the path that is named.",
        fix: "Check the owner and the rights of the path, and whether the disk is mounted read-only.",
        example: None,
    },
    Code {
        name: "publication-conflict",
        stage: Stage::Storage,
        exits: &[3],
        title: "another run published first",
        cause: "Between the begin and the end of this run another one changed the environment or a table. Nothing of \
            this run was published.",
        fix: "Run again: it will start from the newer state.",
        example: None,
    },
    Code {
        name: "recovered",
        stage: Stage::Storage,
        exits: &[0],
        title: "a run that was cut off was cleaned up",
        cause: "An earlier run ended between committing its tables and publishing them. Its commits were taken back; \
            readers never saw them.",
        fix: "Nothing has to be done.",
        example: None,
    },
    Code {
        name: "storage-failed",
        stage: Stage::Storage,
        exits: &[3],
        title: "the disk or the object store failed",
        cause: "An operation on the path that is named failed for the reason in the message. What was published \
            before is untouched.",
        fix: "Mend the cause and run again.",
        example: None,
    },
    Code {
        name: "storage-full",
        stage: Stage::Storage,
        exits: &[3],
        title: "the disk is full",
        cause: "There was no space left while files were written. What was published before is untouched, and what \
            this run had staged is removed.",
        fix: "Free some space where the warehouse and the target folder are, and run again.",
        example: None,
    },
    Code {
        name: "unstorable-table",
        stage: Stage::Storage,
        exits: &[2, 1],
        title: "a table cannot be stored as asked",
        cause: "Its columns or its partition columns do not fit the table format.",
        fix: "Change the columns or `partition_by` as the message says.",
        example: None,
    },
    Code {
        name: "unsupported-table",
        stage: Stage::Storage,
        exits: &[3],
        title: "a table uses a feature that karat does not read",
        cause: "The table has deletion vectors, column mapping or another feature that karat's own tables never have.",
        fix: "Rewrite the table without the feature with the program that made it.",
        example: None,
    },
];
