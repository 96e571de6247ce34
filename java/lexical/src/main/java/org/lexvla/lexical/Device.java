package org.lexvla.lexical;

/**
 * Where an array lies and where a kernel runs: the host, or one CUDA device.
 *
 * @param type  host or CUDA
 * @param index ordinal of the CUDA device, 0 or more; 0 for the host
 */
public record Device(Type type, int index) {
    /** The kinds of device. */
    public enum Type {
        CPU,
        CUDA
    }

    private static final Device HOST = new Device(Type.CPU, 0);

    public Device {
        if (type == null) {
            throw new IllegalArgumentException("the type of a device is null: take Type.CPU or Type.CUDA");
        }
        if (index < 0 || (type == Type.CPU && index != 0)) {
            throw new IllegalArgumentException("device index " + index + " of " + type
                    + " is not valid: the CPU has index 0 only, CUDA devices count from 0");
        }
    }

    /** The host. */
    public static Device cpu() {
        return HOST;
    }

    /** The CUDA device with this ordinal. */
    public static Device cuda(int index) {
        return new Device(Type.CUDA, index);
    }

    /**
     * The device that a text names: {@code cpu}, {@code cuda} (the first) or {@code cuda:N}.
     *
     * @throws IllegalArgumentException for any other text
     */
    public static Device parse(String text) {
        if (text != null) {
            if (text.equals("cpu")) {
                return HOST;
            }
            if (text.equals("cuda")) {
                return cuda(0);
            }
            if (text.matches("cuda:[0-9]{1,4}")) {
                return cuda(Integer.parseInt(text.substring("cuda:".length())));
            }
        }
        throw new IllegalArgumentException("device '" + text + "' is not known: write cpu, cuda or cuda:N");
    }

    /** Whether this is the host. */
    public boolean isCpu() {
        return type == Type.CPU;
    }

    /** {@code cpu} or {@code cuda:N}, as {@link #parse} reads it. */
    @Override
    public String toString() {
        return isCpu() ? "cpu" : "cuda:" + index;
    }
}
