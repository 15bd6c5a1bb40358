"""What each phase does. `canary.decide` asks the phase after the guards let it through."""
