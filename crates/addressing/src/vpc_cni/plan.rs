//! The paper version: what settled nodes take, without taking it.
