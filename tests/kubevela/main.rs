//! KubeVela's own code on our traits: what it makes of a TraitDefinition.

mod definitions;
mod vela;
