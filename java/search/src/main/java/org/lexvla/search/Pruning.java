package org.lexvla.search;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.lexvla.lexical.LexicalVector;

/**
 * Leaves out the weakest words of a vector, so that an index is smaller and a query faster. Types, their names and what they keep are
 * those of OpenSearch's sparse encoding processor ({@code prune_type} and {@code prune_ratio}), so that what was pruned here fits what
 * a cluster prunes; only that {@link Type#ALPHA_MASS} keeps the strongest word of a vector always, where OpenSearch leaves nothing of
 * a vector whose strongest word has more than the share.
 *
 * @param type  which words stay
 * @param ratio what the type makes of it
 */
public record Pruning(Type type, double ratio) {
    /** Which words stay. Those that do keep their weights. */
    public enum Type {
        /** Words of at least {@code ratio} times the largest weight; ratio in [0, 1]. */
        MAX_RATIO,
        /** The {@code ratio} strongest words, of equal ones those with the lowest ids; a whole number, 1 or more. */
        TOP_K,
        /** Words of at least the weight {@code ratio}; 0 or more. */
        ABS_VALUE,
        /** The strongest words that together have at most {@code ratio} of the sum of all weights, at least one; ratio in (0, 1]. */
        ALPHA_MASS;

        /** As engines write it. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    public Pruning {
        boolean fits = switch (type) {
            case MAX_RATIO -> ratio >= 0 && ratio <= 1;
            case TOP_K -> ratio >= 1 && ratio == Math.rint(ratio) && ratio <= Integer.MAX_VALUE;
            case ABS_VALUE -> ratio >= 0 && ratio < Double.POSITIVE_INFINITY;
            case ALPHA_MASS -> ratio > 0 && ratio <= 1;
        };
        if (!fits) {
            throw new IllegalArgumentException(type.label() + "=" + ratio + ": "
                    + switch (type) {
                        case MAX_RATIO -> "must be from 0 to 1, a share of the largest weight";
                        case TOP_K -> "must be a whole number of words, 1 or more";
                        case ABS_VALUE -> "must be a finite weight, 0 or more";
                        case ALPHA_MASS -> "must be above 0 and at most 1, a share of the sum of weights";
                    });
        }
    }

    /**
     * Reads what the command line and engines write, such as {@code max_ratio=0.1}.
     *
     * @throws IllegalArgumentException if it is not of this form
     */
    public static Pruning parse(String text) {
        int equals = text.indexOf('=');
        for (Type type : Type.values()) {
            if (equals > 0 && text.substring(0, equals).equals(type.label())) {
                try {
                    return new Pruning(type, Double.parseDouble(text.substring(equals + 1)));
                } catch (NumberFormatException e) {
                    throw new IllegalArgumentException(
                            "'" + text.substring(equals + 1) + "' in " + text + " is no number", e);
                }
            }
        }
        throw new IllegalArgumentException("'" + text + "' is no pruning: write one of "
                + Arrays.stream(Type.values()).map(Type::label).collect(Collectors.joining(", "))
                + " with its number, such as max_ratio=0.1");
    }

    /** The vector without its weakest words. */
    public LexicalVector apply(LexicalVector vector) {
        int[] ids = vector.ids();
        float[] weights = vector.weights();
        Integer[] order = new Integer[ids.length];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, (a, b) -> Float.compare(weights[b], weights[a]));
        int kept = kept(order, weights);
        int[] stay = Arrays.stream(order)
                .limit(kept)
                .mapToInt(Integer::intValue)
                .sorted()
                .toArray();
        int[] keptIds = new int[kept];
        float[] keptWeights = new float[kept];
        for (int i = 0; i < kept; i++) {
            keptIds[i] = ids[stay[i]];
            keptWeights[i] = weights[stay[i]];
        }
        return LexicalVector.of(vector.vocabulary(), keptIds, keptWeights);
    }

    /** How many of the words, strongest first. */
    private int kept(Integer[] order, float[] weights) {
        if (order.length == 0) {
            return 0;
        }
        if (type == Type.TOP_K) {
            return Math.min(order.length, (int) ratio);
        }
        // In float32, as engines reckon: a weight of 0.02 is one of at least 0.02.
        float bound = (float) ratio;
        float least = type == Type.MAX_RATIO ? bound * weights[order[0]] : bound;
        double total = 0;
        for (int i : order) {
            total += weights[i];
        }
        double mass = 0;
        for (int i = 0; i < order.length; i++) {
            float weight = weights[order[i]];
            mass += weight;
            boolean stays = type == Type.ALPHA_MASS ? i == 0 || mass <= ratio * total : weight >= least;
            if (!stays) {
                return i;
            }
        }
        return order.length;
    }
}
