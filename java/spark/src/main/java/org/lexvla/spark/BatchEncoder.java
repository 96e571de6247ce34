package org.lexvla.spark;

import java.io.Serializable;
import java.util.List;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.model.LexVla;

/** Makes vectors of the values of a column. */
interface BatchEncoder extends Serializable {
    /**
     * A value's vector or why there is none.
     *
     * @param vector null if it could not be made
     * @param error  null if it could
     */
    record Result(LexicalVector vector, String error) {
        static Result failed(String error) {
            return new Result(null, error);
        }
    }

    /**
     * Encodes a batch.
     *
     * @param values of the column, null among them
     * @return one result each, in their order
     */
    List<Result> encode(List<Object> values, LexVla model);
}
