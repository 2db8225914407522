//! What a notebook shows of a value, and matplotlib's figures.
//!
//! The image of the tests has no matplotlib: a stand-in with the same interface (pyplot's open figures, a backend named
//! by MPLBACKEND, `savefig`) is written into the repository, from which the code can import. It was compared by hand
//! with matplotlib 3.11.

use std::path::Path;

use descant::sandbox::CellExit;

const PYPLOT: &str = r#"
import importlib, os
_figures = {}
class Figure:
    def __init__(self, number): self.number = number
    def savefig(self, path):
        if self.number == 13: raise ValueError("an unlucky figure")
        from .backends.backend_agg import FigureCanvasAgg
        with open(path, "wb") as file: file.write(b"\x89PNG figure %d" % self.number)
def figure(number=None):
    number = number or max(_figures, default=0) + 1
    return _figures.setdefault(number, Figure(number))
def plot(*values): return figure(max(_figures, default=1))
def get_fignums(): return sorted(_figures)
def close(which=None): _figures.clear()
def show(*args, **options):
    name = os.environ["MPLBACKEND"]
    assert name.startswith("module://"), name
    backend = importlib.import_module(name[len("module://"):])
    assert backend.FigureCanvas.__name__ == "FigureCanvasAgg"
    return backend.show(*args, **options)
"#;

fn stand_in(repository: &Path) {
    let package = repository.join("matplotlib");
    std::fs::create_dir_all(package.join("backends")).unwrap();
    std::fs::write(package.join("__init__.py"), "").unwrap();
    std::fs::write(package.join("backends/__init__.py"), "").unwrap();
    std::fs::write(
        package.join("backends/backend_agg.py"),
        "class FigureCanvasAgg: pass\n",
    )
    .unwrap();
    std::fs::write(package.join("pyplot.py"), PYPLOT).unwrap();
}

#[tokio::test]
async fn figures_are_saved_and_named() {
    let session = session!();
    stand_in(session.repository());
    // At the end of a cell, as a notebook shows what is open.
    let code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.figure()\nprint('drawn')";
    assert_eq!(
        session.ok(code).await,
        "drawn\n[figure saved: /mnt/data/figure-1.png]\n[figure saved: /mnt/data/figure-2.png]\n"
    );
    // When it is shown, once; and `display` shows one by itself.
    let code = "plt.plot([1])\nplt.show()\nprint('after')\ndisplay(plt.Figure(7))";
    assert_eq!(
        session.ok(code).await,
        "[figure saved: /mnt/data/figure-3.png]\nafter\n[figure saved: /mnt/data/figure-4.png]\n"
    );
    assert_eq!(
        session
            .ok("open('/mnt/data/figure-4.png', 'rb').read()")
            .await,
        "b'\\x89PNG figure 7'\n"
    );
    // A name that is taken is left alone.
    let code = "open('/mnt/data/figure-5.png', 'w').write('mine');\nplt.plot([1]);";
    assert_eq!(
        session.ok(code).await,
        "[figure saved: /mnt/data/figure-6.png]\n"
    );
    // A cell that fails has drawn its figures all the same; one that cannot be saved is the cell's failure.
    let result = session.run("plt.plot([1])\n1 / 0").await;
    assert_eq!(result.exit, CellExit::Error);
    assert!(
        result
            .output
            .ends_with("division by zero\n[figure saved: /mnt/data/figure-7.png]\n"),
        "{}",
        result.output
    );
    let result = session.run("plt.figure(13);").await;
    assert_eq!(result.exit, CellExit::Error);
    assert!(
        result.output.contains("an unlucky figure") && !result.output.contains("<string>"),
        "{}",
        result.output
    );
    assert_eq!(session.ok("plt.get_fignums()").await, "[]\n");
    session.sandbox.stop().await;
}

#[tokio::test]
async fn values_are_laid_out_as_a_notebook_does() {
    let session = session!();
    assert_eq!(
        session.ok("{'b': 1, 'a': [2]}").await,
        "{'b': 1, 'a': [2]}\n"
    );
    assert_eq!(
        session
            .ok("{'a key %d' % n: list(range(n, n + 12)) for n in (10, 20, 30)}")
            .await,
        "{'a key 10': [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21],\n \
         'a key 20': [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31],\n \
         'a key 30': [30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41]}\n"
    );
    let long = session.ok("['word ' * 30, 'word ' * 30]").await;
    assert_eq!(long.lines().count(), 2, "{long}");
    let huge = session.ok("list(range(100_000))").await;
    assert!(huge.starts_with("[0, 1, 2, 3,") && huge.ends_with(" 99999]\n"));
    assert_eq!(session.ok("display(1, 'two')\n3").await, "1\n'two'\n3\n");
}

#[tokio::test]
async fn a_traceback_leaves_out_what_is_between_the_cell_and_the_error() {
    let session = session!();
    let result = session
        .run("import json\nclass Odd(dict):\n    def items(self): return json.loads('[' * 3 + '{')\njson.dumps({'a': Odd(b=1)}, indent=1)")
        .await;
    assert_eq!(result.exit, CellExit::Error);
    let places: Vec<&str> = result
        .output
        .lines()
        .filter(|line| line.starts_with("  File") || line.starts_with("  ["))
        .collect();
    assert_eq!(
        places.first(),
        Some(&"  File \"<cell 1>\", line 4, in <module>")
    );
    assert!(
        places.contains(&"  File \"<cell 1>\", line 3, in items")
            && places
                .iter()
                .any(|line| line.ends_with("frames inside libraries]"))
            && result.output.contains("JSONDecodeError"),
        "{}",
        result.output
    );
    // What awaits the cell's coroutine is not the cell's.
    let result = session
        .run("async def fails():\n    1 / 0\nawait fails()")
        .await;
    assert!(
        !result.output.contains("asyncio") && result.output.contains("line 2, in fails"),
        "{}",
        result.output
    );
}
