"""May this career book this exam on this day? Answered from the gate's own tables, which `career.state.v1` keeps up to
date."""
