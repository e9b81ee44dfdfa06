//! `karat init <name>`: writes a small medallion project with data that builds at once. Never overwrites a file.

use std::path::Path;

use crate::base::diagnostic::Diagnostic;
use crate::base::fs;
use crate::cli::Outcome;
use crate::cli::printer::Printer;

/// The files of the project; `__name__` stands for its name.
const FILES: [(&str, &str); 18] = [
    ("project.yml", include_str!("init/project/project.yml")),
    (".gitignore", include_str!("init/project/gitignore")),
    ("README.md", include_str!("init/project/README.md")),
    ("landing/customers/2024-01-01.csv", include_str!("init/project/landing/customers/2024-01-01.csv")),
    ("landing/orders/2024-01-02.csv", include_str!("init/project/landing/orders/2024-01-02.csv")),
    ("landing/orders/2024-01-03.csv", include_str!("init/project/landing/orders/2024-01-03.csv")),
    ("models/bronze/sources.yml", include_str!("init/project/models/bronze/sources.yml")),
    ("models/bronze/bronze.yml", include_str!("init/project/models/bronze/bronze.yml")),
    ("models/bronze/raw_customers.sql", include_str!("init/project/models/bronze/raw_customers.sql")),
    ("models/bronze/raw_orders.sql", include_str!("init/project/models/bronze/raw_orders.sql")),
    ("models/silver/silver.yml", include_str!("init/project/models/silver/silver.yml")),
    ("models/silver/stg_customers.sql", include_str!("init/project/models/silver/stg_customers.sql")),
    ("models/silver/stg_orders.sql", include_str!("init/project/models/silver/stg_orders.sql")),
    ("models/gold/gold.yml", include_str!("init/project/models/gold/gold.yml")),
    ("models/gold/customer_orders.sql", include_str!("init/project/models/gold/customer_orders.sql")),
    ("models/gold/daily_sales.sql", include_str!("init/project/models/gold/daily_sales.sql")),
    ("snapshots/customers_snapshot.yml", include_str!("init/project/snapshots/customers_snapshot.yml")),
    ("tests/sales_match_orders.sql", include_str!("init/project/tests/sales_match_orders.sql")),
];

/// Creates the project in a folder of its name below `parent`.
pub fn run(name: &str, parent: &Path, printer: &Printer) -> Outcome {
    let folder = parent.join(name);
    let project = match project_name(&folder) {
        Ok(project) => project,
        Err(problem) => {
            printer.diagnostic(&problem);
            return Outcome::Usage;
        }
    };
    if let Some((taken, _)) = FILES.iter().find(|(path, _)| fs::is_file(&folder.join(path))) {
        let message = format!("`{name}/{taken}` exists already; `init` does not overwrite files");
        printer.diagnostic(&Diagnostic::error("file-exists", message).with_hint("choose another name"));
        return Outcome::Usage;
    }
    for (path, text) in FILES {
        if let Err(error) = fs::write_atomic(&folder.join(path), text.replace("__name__", &project).as_bytes()) {
            printer.diagnostic(&Diagnostic::error("init-failed", error.to_string()));
            return Outcome::World;
        }
    }
    printer.status("Created", &format!("{name} with {} files", FILES.len()));
    printer.message(&format!("\nNext:\n  cd {name}\n  karat build"));
    Outcome::Success
}

/// The project's name: the folder's, with `_` for what a name of a project cannot hold.
fn project_name(folder: &Path) -> Result<String, Diagnostic> {
    let text = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name: String = text.chars().map(|c| if matches!(c, '-' | '.' | ' ') { '_' } else { c }).collect();
    let first_is_good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if first_is_good && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(name);
    }
    let message =
        format!("`{text}` is not a name of a project: expected letters, digits and `_`, not beginning with a digit");
    Err(Diagnostic::error("invalid-argument", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::diagnostic::Diagnostics;
    use crate::base::source::SourceFile;
    use crate::files::yaml;

    #[test]
    fn the_project_is_complete_and_its_yaml_is_valid() {
        for (path, text) in FILES {
            assert!(text.ends_with('\n') && !text.contains('\t'), "{path}");
            if Path::new(path).extension().is_some_and(|extension| extension == "yml") {
                let mut problems = Diagnostics::default();
                let file = SourceFile::new(path, text.replace("__name__", "shop"));
                assert!(yaml::parse(&file, &mut problems).unwrap().entries().is_some(), "{path}");
                assert!(problems.is_empty(), "{path}: {problems:?}");
            }
        }
    }

    #[test]
    fn names_become_names_of_projects() {
        let name = |text: &str| project_name(&Path::new("some").join(text)).ok();
        assert_eq!(name("shop").as_deref(), Some("shop"));
        assert_eq!(name("my-shop.v2").as_deref(), Some("my_shop_v2"));
        assert_eq!((name("2shop"), name("läden")), (None, None));
    }
}
