//! Alibaba Cloud and its private flavour, Apsara Stack.

pub mod signature;
