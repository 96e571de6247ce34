package org.lexvla.evaluation;

import java.util.Arrays;

/**
 * Recall at k between images and captions, both ways (SPEC §8). An image may have several captions; a caption belongs to one image.
 *
 * <p>The rank of a query is the number of wrong candidates placed before the best right one, so 0 is a hit at 1. What a tie does is
 * the {@link Ties} rule; sparse vectors tie often (at score 0), so the rule is part of every figure. Ours is {@link Ties#WORST}: a tie
 * counts against us.
 *
 * <pre>{@code
 * Retrieval found = Retrieval.of(similarity, owner, Retrieval.Ties.WORST);
 * found.textToImage().recall(1);
 * }</pre>
 */
public final class Retrieval {
    /** What becomes of a wrong candidate whose score equals that of the best right one. */
    public enum Ties {
        /** It comes after: optimistic; a model that scores everything alike is perfect. */
        STRICT,
        /** It comes before: pessimistic. */
        WORST,
        /** The lower index comes first, as a stable sort would have it. */
        STABLE
    }

    private final Direction imageToText;
    private final Direction textToImage;

    private Retrieval(Direction imageToText, Direction textToImage) {
        this.imageToText = imageToText;
        this.textToImage = textToImage;
    }

    /**
     * Ranks every image against the captions and every caption against the images.
     *
     * @param similarity [images][captions], no NaN
     * @param owner image of each caption
     * @param ties rule for equal scores
     * @throws IllegalArgumentException if the shapes do not fit, an owner is no image, or a score is NaN
     */
    public static Retrieval of(float[][] similarity, int[] owner, Ties ties) {
        double[][] scores = new double[similarity.length][];
        for (int image = 0; image < scores.length; image++) {
            scores[image] = new double[similarity[image].length];
            for (int caption = 0; caption < scores[image].length; caption++) {
                scores[image][caption] = similarity[image][caption];
            }
        }
        return of(scores, owner, ties);
    }

    /** As {@link #of(float[][], int[], Ties)}, for scores in double precision. */
    public static Retrieval of(double[][] similarity, int[] owner, Ties ties) {
        check(similarity, owner);
        int images = similarity.length;
        int[] imageRanks = new int[images];
        int ranked = 0;
        for (int image = 0; image < images; image++) {
            boolean[] own = new boolean[owner.length];
            boolean any = false;
            for (int caption = 0; caption < own.length; caption++) {
                own[caption] = owner[caption] == image;
                any |= own[caption];
            }
            // An image without a caption asks for nothing.
            if (any) {
                imageRanks[ranked++] = rank(similarity[image], own, ties);
            }
        }
        int[] textRanks = new int[owner.length];
        double[] column = new double[images];
        for (int caption = 0; caption < textRanks.length; caption++) {
            for (int image = 0; image < images; image++) {
                column[image] = similarity[image][caption];
            }
            boolean[] own = new boolean[images];
            own[owner[caption]] = true;
            textRanks[caption] = rank(column, own, ties);
        }
        return new Retrieval(new Direction(Arrays.copyOf(imageRanks, ranked)), new Direction(textRanks));
    }

    /** Images as queries, captions as candidates; images without a caption are left out. */
    public Direction imageToText() {
        return imageToText;
    }

    /** Captions as queries, images as candidates. */
    public Direction textToImage() {
        return textToImage;
    }

    private static int rank(double[] scores, boolean[] own, Ties ties) {
        double best = Double.NEGATIVE_INFINITY;
        int bestIndex = -1;
        for (int i = 0; i < scores.length; i++) {
            if (own[i] && (bestIndex < 0 || scores[i] > best)) {
                best = scores[i];
                bestIndex = i;
            }
        }
        int before = 0;
        for (int i = 0; i < scores.length; i++) {
            if (own[i]) {
                continue;
            }
            boolean tieBefore = ties == Ties.WORST || (ties == Ties.STABLE && i < bestIndex);
            before += scores[i] > best || (scores[i] == best && tieBefore) ? 1 : 0;
        }
        return before;
    }

    private static void check(double[][] similarity, int[] owner) {
        for (int image = 0; image < similarity.length; image++) {
            if (similarity[image].length != owner.length) {
                throw new IllegalArgumentException("similarity has " + similarity[image].length + " captions for image "
                        + image + ", owners are " + owner.length + ": give one owner per caption");
            }
            for (int caption = 0; caption < owner.length; caption++) {
                if (Double.isNaN(similarity[image][caption])) {
                    throw new IllegalArgumentException("similarity of image " + image + " and caption " + caption
                            + " is NaN, which has no rank: look for NaN in the vectors");
                }
            }
        }
        for (int caption = 0; caption < owner.length; caption++) {
            if (owner[caption] < 0 || owner[caption] >= similarity.length) {
                throw new IllegalArgumentException("caption " + caption + " belongs to image " + owner[caption]
                        + ", but there are " + similarity.length + " images");
            }
        }
    }

    /** The ranks of the queries of one direction. */
    public static final class Direction {
        private final int[] ranks;

        private Direction(int[] ranks) {
            this.ranks = ranks;
        }

        /** Rank of each query, 0 for a hit at 1. */
        public int[] ranks() {
            return ranks.clone();
        }

        /**
         * Share of queries that have a right candidate among the k first; 0 without queries.
         *
         * @param k at least 1
         */
        public double recall(int k) {
            if (k < 1) {
                throw new IllegalArgumentException("recall at " + k + ": k must be at least 1");
            }
            int hits = 0;
            for (int rank : ranks) {
                hits += rank < k ? 1 : 0;
            }
            return ranks.length == 0 ? 0 : hits / (double) ranks.length;
        }

        /** Median rank, counted from 0; the mean of the two middle ones for an even number; NaN without queries. */
        public double medianRank() {
            if (ranks.length == 0) {
                return Double.NaN;
            }
            int[] sorted = ranks.clone();
            Arrays.sort(sorted);
            int middle = sorted.length / 2;
            return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2.0;
        }
    }
}
