package org.lexvla.server;

import java.util.List;

/** A request that is not answered: the status and what is said about it. The message is read by strangers: no paths, no classes. */
final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final int status;
    private final transient List<String> near;

    Refusal(int status, String message) {
        this(status, message, List.of());
    }

    /**
     * @param near words of the vocabulary that may have been meant
     */
    Refusal(int status, String message, List<String> near) {
        // What is refused is the client's doing: where in our code it was noticed interests nobody.
        super(message, null, false, false);
        this.status = status;
        this.near = near;
    }

    static Refusal badRequest(String message) {
        return new Refusal(400, message);
    }

    static Refusal busy() {
        return new Refusal(503, "too much to do at the moment: try again in a second");
    }

    int status() {
        return status;
    }

    List<String> near() {
        return near;
    }
}
