//! `karat init <name>`: writes a small project that builds at once. Never overwrites a file.

use std::path::Path;

use crate::base::diagnostic::{Diagnostic, did_you_mean};
use crate::base::fs;
use crate::cli::Outcome;
use crate::cli::options::InitOptions;
use crate::cli::printer::Printer;

/// A project to begin with. In its files `__name__` stands for the project's name.
struct Template {
    name: &'static str,
    about: &'static str,
    files: &'static [(&'static str, &'static str)],
    /// What to do after `cd`.
    next: &'static [&'static str],
}

/// The templates; the first is used if none is named.
const TEMPLATES: [Template; 2] = [
    Template {
        name: "medallion",
        about: "layers over CSV files, with an incremental model, a snapshot, tests, docs and CI",
        files: &MEDALLION,
        next: &["karat build", "karat show --select daily_sales", "karat docs generate"],
    },
    Template {
        name: "minimal",
        about: "one model with two tests",
        files: &MINIMAL,
        next: &["karat build", "karat show --select hello"],
    },
];

const MEDALLION: [(&str, &str); 24] = [
    (".github/workflows/karat.yml", include_str!("init/medallion/.github/workflows/karat.yml")),
    ("README.md", include_str!("init/medallion/README.md")),
    (".gitignore", include_str!("init/medallion/gitignore")),
    ("landing/customers/2024-01-01.csv", include_str!("init/medallion/landing/customers/2024-01-01.csv")),
    ("landing/orders/2024-01-02.csv", include_str!("init/medallion/landing/orders/2024-01-02.csv")),
    ("landing/orders/2024-01-03.csv", include_str!("init/medallion/landing/orders/2024-01-03.csv")),
    ("later/customers/2024-01-04.csv", include_str!("init/medallion/later/customers/2024-01-04.csv")),
    ("later/orders/2024-01-04.csv", include_str!("init/medallion/later/orders/2024-01-04.csv")),
    ("models/bronze/bronze.yml", include_str!("init/medallion/models/bronze/bronze.yml")),
    ("models/bronze/raw_customers.sql", include_str!("init/medallion/models/bronze/raw_customers.sql")),
    ("models/bronze/raw_orders.sql", include_str!("init/medallion/models/bronze/raw_orders.sql")),
    ("models/bronze/sources.yml", include_str!("init/medallion/models/bronze/sources.yml")),
    ("models/gold/customer_orders.sql", include_str!("init/medallion/models/gold/customer_orders.sql")),
    ("models/gold/daily_sales.sql", include_str!("init/medallion/models/gold/daily_sales.sql")),
    ("models/gold/gold.yml", include_str!("init/medallion/models/gold/gold.yml")),
    ("models/gold/sales.sql", include_str!("init/medallion/models/gold/sales.sql")),
    ("models/silver/silver.yml", include_str!("init/medallion/models/silver/silver.yml")),
    ("models/silver/stg_customers.sql", include_str!("init/medallion/models/silver/stg_customers.sql")),
    ("models/silver/stg_orders.sql", include_str!("init/medallion/models/silver/stg_orders.sql")),
    ("project.yml", include_str!("init/medallion/project.yml")),
    ("seeds/order_statuses.csv", include_str!("init/medallion/seeds/order_statuses.csv")),
    ("seeds/seeds.yml", include_str!("init/medallion/seeds/seeds.yml")),
    ("snapshots/customers_snapshot.yml", include_str!("init/medallion/snapshots/customers_snapshot.yml")),
    ("tests/sales_match_orders.sql", include_str!("init/medallion/tests/sales_match_orders.sql")),
];

const MINIMAL: [(&str, &str); 5] = [
    ("README.md", include_str!("init/minimal/README.md")),
    (".gitignore", include_str!("init/minimal/gitignore")),
    ("models/hello.sql", include_str!("init/minimal/models/hello.sql")),
    ("models/models.yml", include_str!("init/minimal/models/models.yml")),
    ("project.yml", include_str!("init/minimal/project.yml")),
];

/// Creates the project in a folder of its name below `parent`, or lists the templates.
pub fn run(options: &InitOptions, parent: &Path, printer: &Printer) -> Outcome {
    if options.list_templates {
        let lines = TEMPLATES.iter().map(|template| format!("{:<10}  {}", template.name, template.about));
        printer.result(&lines.collect::<Vec<_>>().join("\n"));
        return Outcome::Success;
    }
    let name = options.name.as_str();
    let (project, template) = match (project_name(&parent.join(name)), template(options.template.as_deref())) {
        (Ok(project), Ok(template)) => (project, template),
        (project, template) => {
            for problem in [project.err(), template.err()].into_iter().flatten() {
                printer.diagnostic(&problem);
            }
            return Outcome::Usage;
        }
    };
    let folder = parent.join(name);
    if let Some((taken, _)) = template.files.iter().find(|(path, _)| fs::is_file(&folder.join(path))) {
        let message = format!("`{name}/{taken}` exists already; `init` does not overwrite files");
        printer.diagnostic(&Diagnostic::error("file-exists", message).with_hint("choose another name"));
        return Outcome::Usage;
    }
    for (path, text) in template.files {
        if let Err(error) = fs::write_atomic(&folder.join(path), text.replace("__name__", &project).as_bytes()) {
            printer.diagnostic(&Diagnostic::error("init-failed", error.to_string()));
            return Outcome::World;
        }
    }
    printer.status("Created", &format!("{name} with {} files", template.files.len()));
    printer.message(&format!("\nNext:\n  cd {name}\n  {}", template.next.join("\n  ")));
    Outcome::Success
}

/// The template of a name.
fn template(name: Option<&str>) -> Result<&'static Template, Diagnostic> {
    let Some(name) = name else { return Ok(&TEMPLATES[0]) };
    let names = TEMPLATES.iter().map(|template| template.name);
    TEMPLATES.iter().find(|template| template.name == name).ok_or_else(|| {
        let known = names.clone().collect::<Vec<_>>().join(", ");
        let message = format!("there is no template `{name}`: expected one of {known}");
        let problem = Diagnostic::error("invalid-argument", message);
        match did_you_mean(name, names) {
            Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
            None => problem.with_hint("`karat init --list-templates` says what each holds"),
        }
    })
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
        for (path, text) in TEMPLATES.iter().flat_map(|template| template.files).copied() {
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
