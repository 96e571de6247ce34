package org.lexvla.model;

/** What loading does about tensors of a checkpoint that the model has no place for. */
public enum UnknownTensors {
    /** They are an error that lists them: the checkpoint is probably that of another model. */
    REFUSE,
    /** They are left out, and listed in a warning. */
    LEAVE_OUT
}
