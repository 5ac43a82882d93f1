//! Writes the seeds of every target as files, for libFuzzer to start from.
//!
//! Usage: `cargo run -p isochron-fuzz --example corpus`; the files go to `fuzz/corpus/TARGET/`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, inputs) in isochron_fuzz::seeds::load()? {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, input) in inputs.iter().enumerate() {
            std::fs::write(folder.join(format!("recorded-{number:04}")), input)?;
        }
        println!("{}: {} inputs", folder.display(), inputs.len());
    }
    Ok(())
}
