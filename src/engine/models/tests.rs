use super::*;

struct World {
    root: tempfile::TempDir,
    places: ModelPlaces,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let places = ModelPlaces {
            models_dir: at("data/models"),
            hub_cache: Some(at("hub")),
            lm_studio: vec![at("lm")],
            current_dir: at("here"),
            home_dir: Some(at("home")),
            servers: Default::default(),
        };
        World { root, places }
    }

    /// A folder with a config.json.
    fn model(&self, path: &str) -> PathBuf {
        let folder = self.root.path().join(path);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.json"), "{}").unwrap();
        folder
    }

    fn folder(&self, name: &str) -> PathBuf {
        match resolve(name, &self.places).unwrap() {
            ModelSource::Folder(folder) => folder,
            other => panic!("{other:?}"),
        }
    }

    fn error(&self, name: &str) -> String {
        resolve(name, &self.places).unwrap_err().to_string()
    }
}

#[test]
fn demo_and_scripts_need_no_folder() {
    let world = World::new();
    assert_eq!(resolve("demo", &world.places).unwrap(), ModelSource::Demo);
    let script = world.places.current_dir.join("a/b.json");
    assert_eq!(
        resolve("scripted:a/b.json", &world.places).unwrap(),
        ModelSource::Scripted(script)
    );
}

#[test]
fn paths_start_from_here_or_home() {
    let world = World::new();
    let model = world.model("here/m");
    assert!(
        std::fs::canonicalize(world.folder("./m")).unwrap()
            == std::fs::canonicalize(&model).unwrap()
    );
    assert_eq!(world.folder(model.to_str().unwrap()), model);
    let at_home = world.model("home/x/m");
    assert_eq!(world.folder("~/x/m"), at_home);
    assert!(world.error("./nothing").contains("is not a folder"));
    std::fs::create_dir_all(world.root.path().join("here/empty")).unwrap();
    assert!(world.error("./empty").contains("there is no config.json"));
}

#[test]
fn a_name_is_found_in_the_models_folder_before_the_hub_cache() {
    let world = World::new();
    let revision = "6cee5e81ee83917806bbde320786a8fb61efebee";
    let cached = world.model(&format!(
        "hub/models--openai--gpt-oss-20b/snapshots/{revision}"
    ));
    assert_eq!(world.folder("gpt-oss-20b"), cached, "the only snapshot");
    let newer = world.model("hub/models--openai--gpt-oss-20b/snapshots/abc123");
    assert!(
        world.error("gpt-oss-20b").contains("not found"),
        "two snapshots and no main revision"
    );
    let refs = world
        .root
        .path()
        .join("hub/models--openai--gpt-oss-20b/refs");
    std::fs::create_dir_all(&refs).unwrap();
    std::fs::write(refs.join("main"), "abc123\n").unwrap();
    assert_eq!(world.folder("gpt-oss-20b"), newer);
    assert_eq!(world.folder("openai/gpt-oss-20b"), newer);
    let own = world.model("data/models/openai/gpt-oss-20b");
    assert_eq!(world.folder("gpt-oss-20b"), own);
    let short = world.model("data/models/gpt-oss-20b");
    assert_eq!(world.folder("gpt-oss-20b"), short);
}

#[test]
fn a_revision_after_the_name_is_that_one() {
    let world = World::new();
    let snapshots = "hub/models--openai--gpt-oss-20b/snapshots";
    let (a, b) = ("a".repeat(40), "b".repeat(40));
    let first = world.model(&format!("{snapshots}/{a}"));
    let second = world.model(&format!("{snapshots}/{b}"));
    let refs = world
        .root
        .path()
        .join("hub/models--openai--gpt-oss-20b/refs");
    std::fs::create_dir_all(refs.join("pr")).unwrap();
    std::fs::write(refs.join("main"), &a).unwrap();
    std::fs::write(refs.join("pr/1"), &b).unwrap();
    world.model("data/models/gpt-oss-20b");
    for (name, folder) in [
        ("openai/gpt-oss-20b@main", &first),
        ("gpt-oss-20b@pr/1", &second),
        ("gpt-oss-20b@bbbbbbb", &second),
    ] {
        assert_eq!(world.folder(name), *folder, "{name}");
    }
    for name in [
        "gpt-oss-20b@bbbbbb",
        "gpt-oss-20b@v9",
        "gpt-oss-20b@../../x",
    ] {
        assert!(world.error(name).contains("not found"), "{name}");
    }
}

#[test]
fn lm_studio_is_looked_into_after_the_hub_cache() {
    let world = World::new();
    let theirs = world.model("lm/openai/gpt-oss-20b");
    assert_eq!(world.folder("gpt-oss-20b"), theirs);
    let cached = world.model("hub/models--openai--gpt-oss-20b/snapshots/abc");
    assert_eq!(world.folder("gpt-oss-20b"), cached);
    assert_eq!(
        checkpoints_in(&world.places.lm_studio[0]),
        [("openai/gpt-oss-20b".to_owned(), theirs)]
    );
    let home = world.root.path().join("home");
    let usual = ModelPlaces::lm_studio_from(Some(&home));
    assert_eq!(usual[0], home.join(".lmstudio/models"));
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join(".lmstudio-home-pointer"), "/elsewhere\n").unwrap();
    let pointed = ModelPlaces::lm_studio_from(Some(&home));
    assert_eq!(pointed[0], Path::new("/elsewhere/models"));
    assert!(ModelPlaces::lm_studio_from(None).is_empty());
}

#[test]
fn a_loaded_model_is_in_use_until_it_is_let_go() {
    let world = World::new();
    let folder = world.model("data/models/m");
    assert!(!is_in_use(&folder));
    let mark = mark_in_use(&folder).unwrap();
    let second = mark_in_use(&folder).unwrap();
    assert!(is_in_use(&folder));
    drop(mark);
    assert!(is_in_use(&folder));
    drop(second);
    assert!(!is_in_use(&folder));
}

#[test]
fn a_revision_is_a_name_and_not_a_path() {
    let world = World::new();
    world.model("secret");
    let refs = world.root.path().join("hub/models--a--b/refs");
    std::fs::create_dir_all(&refs).unwrap();
    std::fs::write(refs.join("main"), "../../../secret").unwrap();
    assert!(world.error("a/b").contains("not found"));
}

#[test]
fn names_that_are_no_names_are_refused() {
    let world = World::new();
    for name in ["a/b/c", "a/../b", "-rf", "a b", "", "a//b", "openai/.git"] {
        assert!(
            world
                .error(name)
                .contains("neither a model's name nor a folder"),
            "{name:?}"
        );
    }
}

#[test]
fn a_missing_model_says_how_to_get_it() {
    let world = World::new();
    let error = world.error("gpt-oss-120b");
    assert!(
        error.contains("-m demo") && error.contains("descant models pull gpt-oss-120b"),
        "{error}"
    );
}

#[test]
fn the_hub_cache_is_where_hugging_face_keeps_it() {
    let path = |p: &str| Some(PathBuf::from(p));
    let home = Path::new("/home/u");
    let from = |cache, hf_home| ModelPlaces::hub_cache_from(cache, hf_home, Some(home));
    assert_eq!(from(path("/c"), path("/h")), path("/c"));
    assert_eq!(from(None, path("/h")), path("/h/hub"));
    assert_eq!(from(path(""), None), path("/home/u/.cache/huggingface/hub"));
    assert_eq!(ModelPlaces::hub_cache_from(None, None, None), None);
}
