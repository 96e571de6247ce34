package org.lexvla.server;

import java.util.concurrent.CompletableFuture;

/**
 * What answers a path.
 *
 * @param method   the one it takes; GET stands for HEAD too
 * @param body     what it takes besides
 * @param endpoint called on a thread of the network, which it must not hold up
 */
record Route(String method, Body body, Endpoint endpoint) {
    /** What a request carries. */
    enum Body {
        NONE,
        JSON,
        PICTURE
    }

    /** Answers, or throws a {@link Refusal}. */
    @FunctionalInterface
    interface Endpoint {
        CompletableFuture<Answer> answer(Call call);
    }

    static Route get(Endpoint endpoint) {
        return new Route("GET", Body.NONE, endpoint);
    }

    static Route post(Body body, Endpoint endpoint) {
        return new Route("POST", body, endpoint);
    }
}
