package org.lexvla.server;

import java.util.Map;

/**
 * A request that was let in.
 *
 * @param parameters of the address, the first value of each
 * @param body       all of it; empty if there is none
 */
record Call(Map<String, String> parameters, byte[] body) {
    /** A parameter that must be there. */
    String parameter(String name, int maxLength) {
        String value = parameters.get(name);
        if (value == null || value.isEmpty()) {
            throw Refusal.badRequest("the address needs the parameter " + name);
        }
        if (value.length() > maxLength) {
            throw Refusal.badRequest(
                    "the parameter " + name + " has " + value.length() + " characters, limit " + maxLength);
        }
        return value;
    }
}
