//! What `manifest.json` has of seeds beside the project's own texts: where their files lie, and the rows that unit tests
//! take.

use serde_json::{Map, Value as Json};

use crate::base::limits;
use crate::cli::application::Project;
use crate::manifest::node::{Detail, Node, ResourceType};
use crate::manifest::unit_test::{FixtureRows, Input};

/// Puts folders, and the rows of seeds in the place of `rows: null`. A seed that cannot be read is told of where it is
/// loaded.
pub fn put(artifact: &mut Json, project: &Project) {
    for seed in project.manifest.of_type(ResourceType::Seed) {
        let root = project.loaded.root_path();
        let folder = if seed.package_folder.is_empty() { root.to_path_buf() } else { root.join(&seed.package_folder) };
        if let Some(place) = artifact.pointer_mut(&format!("/nodes/{}/root_path", seed.id)) {
            *place = Json::from(folder.display().to_string());
        }
    }
    for node in project.manifest.of_type(ResourceType::UnitTest) {
        let Some(test) = node.unit_test() else { continue };
        for (index, given) in test.given.iter().enumerate() {
            let (FixtureRows::Seed, Input::Ref(call)) = (&given.fixture.rows, &given.input) else { continue };
            let found = project.manifest.find_refable(call.package.as_deref(), &call.name);
            let rows = found.first().and_then(|seed| rows_of(seed, project));
            let place = artifact.pointer_mut(&format!("/unit_tests/{}/given/{index}/rows", node.id));
            if let (Some(rows), Some(place)) = (rows, place) {
                *place = rows;
            }
        }
    }
}

/// All values as texts, by column.
fn rows_of(seed: &Node, project: &Project) -> Option<Json> {
    let Detail::Seed { path, .. } = &seed.detail else { return None };
    let bytes = project.loaded.dir.read_bytes(path, limits::SEED_FILE_BYTES).ok()?;
    let delimiter = u8::try_from(u32::from(seed.config.delimiter)).ok()?;
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(bytes.as_slice());
    let names = reader.headers().ok()?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.ok()?;
        let values = names.iter().zip(record.iter()).map(|(name, value)| (name.to_owned(), Json::from(value)));
        rows.push(Json::Object(values.collect::<Map<_, _>>()));
    }
    Some(Json::Array(rows))
}
