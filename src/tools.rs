//! The tools the model is offered: their specs, and their execution with capped output.
