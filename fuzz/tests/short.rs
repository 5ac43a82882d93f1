//! The short form of fuzzing: every target over its seeds and a bounded number of mutations. The
//! same on every run, so that a failure is found again.

use isochron_fuzz::{TARGETS, seeds};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// Mutations per target.
const MUTATIONS: usize = 20_000;

/// Fewer where an input may cost a key agreement, the hashing of a password or the whole table of settings, which
/// takes milliseconds in a debug build.
const MUTATIONS_OF_DEAR_TARGETS: usize = 1_000;

/// Numbers at which lengths and counts go wrong.
const EDGES: [u32; 8] = [
    0,
    1,
    0x7f,
    0x80,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

#[test]
fn no_target_panics_over_seeds_and_mutations() {
    let seeds = seeds::load().unwrap();
    for (name, target) in TARGETS {
        let inputs = &seeds[name];
        assert!(inputs.len() > 5, "{name} has {} seeds", inputs.len());
        let rng = &mut StdRng::seed_from_u64(name.len() as u64);
        let dear = matches!(
            name,
            "auth_block" | "client_half" | "server_half" | "ini" | "xml" | "store"
        );
        let mutations = if dear {
            MUTATIONS_OF_DEAR_TARGETS
        } else {
            MUTATIONS
        };
        inputs.iter().for_each(|input| run(name, target, input));
        for _ in 0..mutations {
            let mut input = pick(inputs, rng).clone();
            for _ in 0..rng.random_range(1..4) {
                mutate(&mut input, pick(inputs, rng), rng);
            }
            run(name, target, &input);
        }
    }
}

/// Says which input it was if the target panics.
fn run(name: &str, target: fn(&[u8]), input: &[u8]) {
    let result = std::panic::catch_unwind(|| target(input));
    let hex = || {
        input
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert!(result.is_ok(), "{name} panicked over {}", hex());
}

fn pick<'a>(inputs: &'a [Vec<u8>], rng: &mut StdRng) -> &'a Vec<u8> {
    &inputs[rng.random_range(0..inputs.len())]
}

fn mutate(input: &mut Vec<u8>, other: &[u8], rng: &mut StdRng) {
    let at = rng.random_range(0..=input.len());
    match rng.random_range(0..6) {
        0 => input.truncate(at),
        1 => input.insert(at, rng.next_u32() as u8),
        2 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.random_range(0..8);
            }
        }
        3 => {
            let edge = EDGES[rng.random_range(0..EDGES.len())].to_be_bytes();
            let end = input.len().min(at + 4);
            input[at..end].copy_from_slice(&edge[4 - (end - at)..]);
        }
        4 => {
            // The end of another seed behind the start of this one.
            input.truncate(at);
            input.extend_from_slice(&other[rng.random_range(0..=other.len())..]);
        }
        _ => {
            let end = input.len().min(at + rng.random_range(0..16));
            let piece = input[at..end].to_vec();
            let to = rng.random_range(0..=input.len());
            input.splice(to..to, piece);
        }
    }
}
